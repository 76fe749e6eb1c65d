const { attempt, print } = require('observe');
const Module = require('module');
print(
  require('./lib/a').name,
  require('./lib').index,
  require('./lib/data').x,
  require('./lib/a') === require('./lib/a.js'),
  require('pack').main,
  require('pack/lib/sub').sub,
);
print(
  module.id,
  module.filename === __filename,
  module.loaded,
  module.children.length,
  module.paths[0] === `${__dirname}/node_modules`,
  require.main === module,
  module.parent,
  Object.keys(require),
  Object.keys(require.cache).length,
  typeof require.extensions['.js'],
  module.constructor === Module,
);
print(
  require.resolve('./lib/a').endsWith('/lib/a.js'),
  require.resolve('fs'),
  require.resolve('node:fs'),
  require.resolve.paths('x')[0] === `${__dirname}/node_modules`,
  require.resolve.paths('./x'),
  require.resolve.paths('fs'),
  this === module.exports,
  arguments.length,
);
print(
  require('./lib/cycle-a'),
  require('./lib/strict'),
  Module.isBuiltin('fs'),
  Module.isBuiltin('node:test'),
  Module.isBuiltin('test'),
  Module.isBuiltin('none'),
);
attempt('missing', () => require('./missing'));
attempt('missing package', () => require('no-such-package'));
attempt('missing builtin', () => require('node:none'));
attempt('empty', () => require(''));
attempt('number', () => require(5));
attempt('json', () => require('./lib/bad.json'));
attempt('throws', () => require('./lib/throws'));
attempt('throws again', () => require('./lib/throws'));
attempt('not exported', () => require('pack/other'));
attempt('resolve', () => require.resolve('./missing'));
attempt('a directory', () => require('./lib/empty'));
require.cache[require.resolve('./lib/a')].exports = { name: 'replaced' };
print(require('./lib/a').name);
delete require.cache[require.resolve('./lib/a')];
print(require('./lib/a').name);
require.extensions['.mine'] = (mod, file) => {
  mod.exports = require('fs').readFileSync(file, 'utf8').trim();
};
print(require('./lib/x.mine'));
print(
  Module._nodeModulePaths('/a/node_modules/b'),
  Module.createRequire(`${__dirname}/lib/x.js`)('./a').name,
  Module.builtinModules.includes('fs'),
  Module.wrap('x'),
  Module._resolveFilename('fs'),
);
const made = new Module('made');
made._compile('module.exports = 1 + 1', '/made.js');
print(made.exports);
attempt('createRequire', () => Module.createRequire('relative'));
attempt('compile', () => made._compile('syntax error', '/bad.js'));
const load = Module._load;
Module._load = (name, ...rest) => (name === 'virtual' ? { virtual: true } : load(name, ...rest));
print(require('virtual'));
Module._load = load;
print(require('./lib/esm.mjs').default, require('./lib/esm.mjs').named, require('./lib/esm.mjs').__esModule);
attempt('top-level await', () => {
  try {
    return require('./lib/tla.mjs');
  } catch (error) {
    return error.code;
  }
});
