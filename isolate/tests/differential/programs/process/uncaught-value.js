//: stderr
//: fails
throw { not: 'an error' };
