const { X509Certificate } = require('crypto');
const fs = require('fs');
const { attempt, print } = require('observe');
const certificate = new X509Certificate(fs.readFileSync('cert.pem'));
print(certificate.subject, certificate.issuer, certificate.ca, certificate.subjectAltName, certificate.validFrom, certificate.validTo);
print(certificate.fingerprint, certificate.fingerprint256, certificate.serialNumber, certificate.publicKey.asymmetricKeyType);
print(
  certificate.checkHost('localhost'),
  certificate.checkHost('other'),
  certificate.checkIP('127.0.0.1'),
  certificate.verify(certificate.publicKey),
  certificate.raw.length,
);
attempt('nonsense', () => new X509Certificate('nonsense'));
