//: stderr
const one = setTimeout(() => {
  console.log('at once');
}, 2 ** 31);
process.on('warning', (warning) => console.log(warning.name, warning.message));
setTimeout(() => clearTimeout(one), 20);
