//: stderr
//: fails
console.log('loads');
require('./not-there');
