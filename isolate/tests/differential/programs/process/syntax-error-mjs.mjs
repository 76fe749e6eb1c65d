//: stderr
//: fails
import fs from 'fs';
const x = ;
