const assert = require('assert');
for (const run of [() => assert(0 === 1), () => assert.ok(null, undefined), () => assert.ok(), () => assert.equal(1, 2)]) {
  try {
    run();
  } catch (error) {
    console.log(error.message);
  }
}
