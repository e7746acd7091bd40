#!/bin/sh
# Makes the certificates of the tests anew, valid from 2020 to 2120. Run in this folder; needs openssl 3.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { # name
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}
sign() { # name, subject, authority's name, extensions
  openssl req -new -key "$1.key" -subj "$2" -out "$work/$1.csr"
  printf '[ca]\ndefault_ca=this\n[this]\ndatabase=%s/index\nnew_certs_dir=%s\nserial=%s/serial\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\norganizationName=optional\n[extensions]\n%s\n' \
    "$work" "$work" "$work" "$4" > "$work/ca.cnf"
  : > "$work/index"
  openssl rand -hex 16 > "$work/serial"
  self=
  [ "$1" = "$3" ] && self=-selfsign
  openssl ca -batch -notext -config "$work/ca.cnf" -extensions extensions -in "$work/$1.csr" -out "$1.crt" \
    -keyfile "$3.key" ${self:--cert "$3.crt"} $self -startdate 20200101000000Z -enddate 21200101000000Z 2> /dev/null
}
authority() { # name, common name
  key "$1"
  sign "$1" "/CN=$2" "$1" 'basicConstraints=critical,CA:TRUE'
}
issue() { # name, authority, alternative names
  key "$1"
  sign "$1" "/O=Test/CN=$1" "$2" "subjectAltName=$3"
}

authority ca 'Test CA'
authority stranger-ca 'Another CA'
issue server ca 'DNS:proxy.test,DNS:*.wild.test,IP:127.0.0.1'
issue other ca 'DNS:other.test'
issue client ca 'URI:spiffe://test/client,DNS:client.test'
issue stranger stranger-ca 'URI:spiffe://test/client'
rm -f stranger-ca.key
