exports.index = require('./a').name + ' index';
