const { format, formatWithOptions } = require('util');
const show = (...values) => console.log(JSON.stringify(format(...values)));
show('%s %d %i %f %j %o %O %%', 'a', 1.5, 1.9, '2.5', { a: 1 }, [1], { b: { c: {} } });
show('%s', null, undefined, 5n, Symbol('x'), () => {}, { a: 1 }, -0, class A {});
show('%s|%s|%s|%s|%s', null, undefined, 5n, Symbol('x'), -0);
show('%s', {
  toString() {
    return 'own';
  },
});
show('%s', Object.create(null));
show(
  '%s',
  new (class B {
    toString() {
      return 'b';
    }
  })(),
);
show('%s', [1, [2, [3]]]);
show('%s', new Date(0));
show('%d|%d|%d|%d', '0x10', {}, 5n, Symbol('a'));
show('%i|%i|%i', '42.9abc', 5n, {});
show('%f|%f', 'x', 1);
show('%j', {
  toJSON() {
    return 'j';
  },
});
const c = {};
c.c = c;
show('%j', c);
show('%c%s', 'css', 'after');
show('%x %s', 1);
show('%s');
show('a', 'b', { c: 1 }, 'd\n');
show(1, 2, '3');
show('%', 1);
show('%s%s', 'only one');
show();
show('');
show({ a: 'x' }, '%s');
console.log(formatWithOptions({ colors: true }, '%s %O', 'a', { b: 1 }), formatWithOptions({ compact: false }, { a: 1 }));
try {
  formatWithOptions(5, 'a');
} catch (error) {
  console.log(error.code, error.message);
}
