//: stderr
//: fails
setTimeout(() => {
  const error = Object.assign(new Error('with more'), { code: 'E_MINE', list: [1, { a: 2 }] });
  throw error;
}, 1);
