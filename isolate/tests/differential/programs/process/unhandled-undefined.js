//: stderr
//: fails
(async () => {
  throw undefined;
})();
