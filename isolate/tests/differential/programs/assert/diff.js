const assert = require('assert');
const show = (actual, expected) => {
  try {
    assert.deepStrictEqual(actual, expected);
  } catch (error) {
    console.log(error.message);
    console.log('--');
  }
};
show([1, 2, 3], [1, 2, 4]);
show({ a: 1, b: 'x'.repeat(20), c: [1, { d: 2 }] }, { a: 1, b: 'x'.repeat(20), c: [1, { d: 3 }] });
show('a\nb\nc', 'a\nx\nc');
show(
  Array.from({ length: 60 }, (_, i) => i),
  Array.from({ length: 60 }, (_, i) => (i === 30 ? 'x' : i)),
);
show(new Error('a'), new Error('b'));
show(undefined, null);
show(Symbol('a'), 1n);
try {
  assert.strictEqual('x'.repeat(90), 'y'.repeat(90));
} catch (error) {
  console.log(error.message);
}
try {
  assert.strictEqual([1], [1]);
} catch (error) {
  console.log(error.message);
}
try {
  assert.notStrictEqual({ a: 1 }, undefined);
  assert.equal(null, false);
} catch (error) {
  console.log(error.message);
}
