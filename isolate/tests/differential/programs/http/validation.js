const http = require('http');
const { attempt, print } = require('observe');
attempt('path', () => http.get({ path: '/a b' }));
attempt('method', () => http.request({ method: 'A B' }));
attempt('method type', () => http.request({ method: 5 }));
attempt('protocol', () => http.get('https://localhost/'));
attempt('url', () => http.get('nonsense'));
attempt('header', () => http.request({ headers: { 'a b': 'x' } }));
attempt('value', () => http.request({ headers: { a: 'x\ny' } }));
attempt('undefined', () => http.request({ headers: { a: undefined } }));
attempt('hostname', () => http.request({ hostname: 5 }));
attempt('agent', () => http.request({ agent: 'x' }));
attempt('timeout', () => http.request({ timeout: 'x' }));
attempt('insecure', () => http.request({ insecureHTTPParser: 5 }));
attempt('maxHeaderSize', () => http.createServer({ maxHeaderSize: 'x' }));
attempt('validateHeaderName', () => http.validateHeaderName('a:'));
attempt('validateHeaderName', () => http.validateHeaderName('ok'));
attempt('validateHeaderValue', () => http.validateHeaderValue('x', undefined));
attempt('validateHeaderValue', () => http.validateHeaderValue('x', '\u4f60'));
const message = new http.OutgoingMessage();
message.setHeader('A-b', 1);
print(message.getHeaders(), message.getRawHeaderNames(), message.getHeader('a-B'), message.headersSent, message.writableEnded);
attempt('set', () => message.setHeader('x'));
attempt('setHeaders', () => message.setHeaders(new Map([['one', '1']])).getHeaders());
attempt('setHeaders', () => message.setHeaders({}));
attempt('status', () => new http.ServerResponse({ method: 'GET' }).writeHead(1));
attempt('status text', () => new http.ServerResponse({ method: 'GET' }).writeHead('x'));
attempt('reason', () => new http.ServerResponse({ method: 'GET' }).writeHead(200, 'a\nb'));
attempt('write', () => new http.ServerResponse({ method: 'GET' }).write(null));
attempt('write a number', () => new http.ServerResponse({ method: 'GET' }).write(5));
print(
  http.METHODS.length,
  http.METHODS.slice(0, 3),
  Object.keys(http.STATUS_CODES).length,
  http.STATUS_CODES[418],
  http.maxHeaderSize,
  http.globalAgent.constructor.name,
  http.globalAgent.keepAlive,
  new http.Agent().getName({ host: 'a', port: 1, family: 4 }),
  http.createServer().timeout,
  http.createServer().keepAliveTimeout,
  http.createServer().headersTimeout,
  http.createServer().requestTimeout,
  http.createServer().maxHeadersCount,
  http.createServer().maxRequestsPerSocket,
);
attempt('agent', () => new http.Agent({ maxTotalSockets: 'x' }));
attempt('scheduling', () => new http.Agent({ scheduling: 'x' }));
attempt('setMaxIdle', () => http.setMaxIdleHTTPParsers(0));
