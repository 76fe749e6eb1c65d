//: stderr
//: fails
throw null;
