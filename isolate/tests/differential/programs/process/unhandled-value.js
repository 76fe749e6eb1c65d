//: stderr
//: fails
Promise.reject({ a: 1 });
