//: stderr
//: fails
console.log('before');
enum Color {
  Red,
}
console.log(Color.Red);
