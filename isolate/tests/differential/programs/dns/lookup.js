const dns = require('dns');
const { attempt, callback, later, print } = require('observe');
(async () => {
  const found = callback('localhost');
  dns.lookup('localhost', { family: 4 }, found);
  await found.done;
  const address = callback('address');
  dns.lookup('127.0.0.1', address);
  await address.done;
  const six = callback('six');
  dns.lookup('::1', { all: true }, six);
  await six.done;
  const empty = callback('empty');
  dns.lookup('', empty);
  await empty.done;
  const missing = callback('missing');
  dns.lookup('no-such-host.invalid', (error, ...rest) =>
    missing(
      error && Object.assign(error, { code: error.code === 'EAI_AGAIN' ? 'ENOTFOUND' : error.code, errno: -3008, message: 'getaddrinfo' }),
      ...rest,
    ),
  );
  await missing.done;
  await later('promised', dns.promises.lookup('127.0.0.1'));
  await later('all', dns.promises.lookup('127.0.0.1', { all: true }));
  const service = callback('service');
  dns.lookupService('127.0.0.1', 80, (error, host, name) => service(error, name));
  await service.done;
  attempt('family', () => dns.lookup('a', { family: 5 }, () => {}));
  attempt('callback', () => dns.lookup('a'));
  attempt('name', () => dns.lookup(5, () => {}));
  attempt('hints', () => dns.lookup('a', { hints: 1 }, () => {}));
  attempt('service', () => dns.lookupService('x', 80, () => {}));
  attempt('service port', () => dns.lookupService('127.0.0.1', 70000, () => {}));
  attempt('resolve', () => dns.resolve('a', 'NONE', () => {}));
  attempt('servers', () => dns.setServers(['x']));
  attempt('resolve4', () => dns.resolve4(5, () => {}));
  attempt('order', () => dns.setDefaultResultOrder('x'));
  print(dns.getDefaultResultOrder(), dns.NOTFOUND, dns.promises === require('dns/promises'), typeof dns.Resolver);
  print('hint', dns.ADDRCONFIG);
  attempt('reverse', () => typeof dns.reverse('x', () => {}));
})();
