const util = require('util');
const { attempt, callback, later, print } = require('observe');
(async () => {
  const old = (value, done) =>
    setImmediate(() => (value < 0 ? done(Object.assign(new Error('negative'), { code: 'NEG' })) : done(null, value * 2)));
  const promised = util.promisify(old);
  await later('promisify', promised(2));
  await later('promisify fails', promised(-1));
  old[util.promisify.custom] = async () => 'custom';
  await later('promisify custom', util.promisify(old)(1));
  attempt('promisify nothing', () => util.promisify(5));
  await later('exec', util.promisify(setTimeout)(1, 'value'));
  const back = util.callbackify(async (value) => {
    if (value === null) return Promise.reject(null);
    if (value < 0) throw new Error('negative');
    return value;
  });
  const done = callback('callbackify');
  back(1, done);
  await done.done;
  const failed = callback('callbackify fails');
  back(-1, failed);
  await failed.done;
  const nothing = callback('callbackify null');
  back(null, (error) => {
    print(error.code, error.message, error.reason);
    nothing(null);
  });
  await nothing.done;
  attempt('callbackify nothing', () => util.callbackify(5));
  attempt('callbackify no callback', () => back(1));
  const once = util.deprecate(() => 'value', 'old', 'DEP_MINE');
  process.on('warning', (warning) => print('warning', warning.name, warning.code, warning.message));
  print(once(), once());
  await new Promise(setImmediate);
  function A() {}
  function B() {}
  util.inherits(A, B);
  print(new A() instanceof B, A.super_ === B);
  attempt('inherits', () => util.inherits(A, null));
  print(
    util.isDeepStrictEqual({ a: [1, new Set([1])] }, { a: [1, new Set([1])] }),
    util.isDeepStrictEqual([0], [-0]),
    util.isDeepStrictEqual(1, '1'),
  );
  print(
    util.stripVTControlCharacters('\u001b[31mred\u001b[0m'),
    util.styleText('red', 'x') === '\u001b[31mx\u001b[39m',
    JSON.stringify(util.styleText(['bold', 'green'], 'x', { validateStream: false })),
  );
  attempt('styleText', () => util.styleText('nonsense', 'x'));
  print(util.toUSVString('a\ud800'), util.getSystemErrorName(-2), util.getSystemErrorMap().get(-2), util.getSystemErrorMessage?.(-2));
  attempt('getSystemErrorName', () => util.getSystemErrorName(5));
  const log = util.debuglog('mine');
  print(log.enabled, typeof log);
  print(
    util.types.isPromise(Promise.resolve()),
    util.types.isRegExp(/x/),
    util.types.isProxy(new Proxy({}, {})),
    util.types.isExternal({}),
    util.types.isGeneratorFunction(function* () {}),
    util.types.isModuleNamespaceObject({}),
    util.types.isBoxedPrimitive(Object(1n)),
    util.types.isAnyArrayBuffer(new ArrayBuffer(1)),
    util.types.isUint8Array(Buffer.alloc(1)),
    util.types.isNativeError(new TypeError()),
    util.types.isAsyncFunction(async () => {}),
    util.types.isArgumentsObject(
      (function () {
        return arguments;
      })(),
    ),
  );
  print(typeof util.TextEncoder, typeof util.TextDecoder, util.types.isKeyObject?.({}), util.aborted.length);
  const control = new AbortController();
  const aborted = util.aborted(control.signal, {}).then(() => 'aborted');
  control.abort();
  await later('aborted', aborted);
  print(util.parseEnv('A=1\n# c\nB="two\\nlines"\nexport C=\'x y\'\nD=\nE=a#b\nF = spaced '));
  print(util.getCallSites().length > 0, typeof util.getCallSites()[0].lineNumber);
})();
