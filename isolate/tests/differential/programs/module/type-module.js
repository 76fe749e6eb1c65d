import fs from 'fs';
import { print } from 'observe';
import './type-module-lib/x.js';
print(typeof fs.readFileSync, typeof require, this);
try {
  require('fs');
} catch (error) {
  print(error.name, error.message);
}
try {
  module.exports = 1;
} catch (error) {
  print(error.message);
}
try {
  __dirname;
} catch (error) {
  print(error.message);
}
