//: stderr
//: fails
const text = 'before';
let text = 5;
