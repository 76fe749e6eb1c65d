const { inspect } = require('util');
const head = (error) => {
  error.stack = error.stack?.split('\n')[0];
  return error;
};
const show = (value) => console.log(inspect(value));
show(head(new Error('plain')));
show(head(Object.assign(new TypeError('with'), { code: 'E_X', extra: { a: 1 } })));
show({ nested: head(new RangeError('inside')) });
show(head(new Error('cause', { cause: head(new Error('why')) })));
show(head(new Error('cause', { cause: 'text' })));
show(head(new AggregateError([head(new Error('one')), head(new Error('two'))], 'all')));
class Mine extends Error {
  constructor(m) {
    super(m);
    this.name = 'Other';
  }
}
show(head(new Mine('named')));
class Plain extends Error {}
show(head(new Plain('class')));
const none = new Error('no stack');
none.stack = undefined;
show(none);
const odd = new Error('odd');
odd.stack = 'mine';
show(odd);
const empty = new Error('');
show(head(empty));
const renamed = new Error('a');
renamed.name = 'Renamed';
show(head(renamed));
const message = new Error('before');
head(message);
message.message = 'after';
show(message);
show(Object.assign(head(new Error('m')), { name: 'Set', message: 'm2' }));
show(head(new DOMException('dom', 'AbortError')));
show([head(new Error('in a list'))]);
console.log(`${new Error('text')}`, String(new TypeError()), Object.prototype.toString.call(new Error()));
console.log('%s', head(new Error('formatted')));
try {
  null.x;
} catch (error) {
  console.log(error.message);
}
try {
  undefinedName;
} catch (error) {
  console.log(error.name, error.message);
}
try {
  JSON.parse('{a');
} catch (error) {
  console.log(error.name, error.message);
}
try {
  (void 0)();
} catch (error) {
  console.log(error.message);
}
try {
  new class {
    #a;
    static t(o) {
      return o.#a;
    }
  }.constructor.t({});
} catch (error) {
  console.log(error.message);
}
