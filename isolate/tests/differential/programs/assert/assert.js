const assert = require('assert');
const { print } = require('observe');
function check(label, run) {
  try {
    print(label, 'passes', run());
  } catch (error) {
    print(label, error.name, error.code, error.generatedMessage, error.operator, '\n' + error.message);
  }
}
check('ok', () => assert(1));
check('equal', () => assert.equal(1, '1'));
check('strict', () => assert.strictEqual(1, 1));
check('message', () => assert.strictEqual(1, 2, 'mine'));
check('error', () => assert.strictEqual(1, 2, new TypeError('own')));
check('equal', () => assert.equal(1, 2));
check('strictEqual', () => assert.strictEqual('a', 'b'));
check('notStrictEqual', () => assert.notStrictEqual(1, 1));
check('deep', () => assert.deepEqual({ a: [1, '2'] }, { a: [1, 2] }));
check('deepStrict', () => assert.deepStrictEqual(new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])));
check('deepStrictEqual', () => assert.deepStrictEqual({ a: 1, b: { c: 2 } }, { a: 1, b: { c: 3 } }));
check('notDeep', () => assert.notDeepStrictEqual({ a: 1 }, { a: 1 }));
check('throws', () =>
  assert.throws(() => {
    throw new TypeError('x');
  }, TypeError),
);
check('throws a pattern', () =>
  assert.throws(() => {
    throw new Error('abc');
  }, /b/),
);
check('throws an object', () =>
  assert.throws(
    () => {
      throw new Error('abc');
    },
    { message: 'abc', name: 'Error' },
  ),
);
check('throws nothing', () => assert.throws(() => {}));
check('throws another', () =>
  assert.throws(
    () => {
      throw new Error('abc');
    },
    { message: 'x' },
  ),
);
check('doesNotThrow', () =>
  assert.doesNotThrow(() => {
    throw new Error('abc');
  }, 'why'),
);
check('match', () => assert.match('abc', /x/));
check('doesNotMatch', () => assert.doesNotMatch('abc', /b/));
check('ifError', () => assert.ifError(null));
check('ifError of one', () => assert.ifError(new Error('mine')));
check('fail', () => assert.fail());
check('fail by', () => assert.fail('why'));
check('partial', () => assert.partialDeepStrictEqual({ a: 1, b: 2 }, { a: 1 }));
check('partial', () => assert.partialDeepStrictEqual({ a: 1 }, { a: 2 }));
check('NaN', () => assert.deepStrictEqual([NaN, -0], [NaN, -0]));
check('zero', () => assert.strictEqual(0, -0));
check('sets', () => assert.deepStrictEqual(new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])));
check('prototype', () => assert.deepStrictEqual(Object.create(null), {}));
check('arguments', () => assert.strictEqual());
check('not a function', () => assert.throws('x'));
print(assert.strict.equal === assert.strictEqual, new assert.AssertionError({ actual: 1, expected: 2, operator: 'mine' }).message);
(async () => {
  const later = async (label, run) => {
    try {
      print(label, 'passes', await run());
    } catch (error) {
      print(label, error.name, error.code, error.message);
    }
  };
  await later('rejects', () => assert.rejects(Promise.reject(new Error('x')), /x/));
  await later('rejects nothing', () => assert.rejects(Promise.resolve(1)));
  await later('doesNotReject', () => assert.doesNotReject(Promise.reject(new Error('x'))));
  await later('rejects no promise', () => assert.rejects(5));
})();
