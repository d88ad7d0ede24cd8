# shellcheck shell=bash
# One certificate authority, the servers' certificate, the admin's, and the key
# that signs ServiceAccount tokens. Made once per state folder.

# make_key FILE: a P-256 key as PKCS #8, whole or not at all.
make_key() {
    [[ -s $1 ]] && return
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new" 2>/dev/null
    mv "$1.new" "$1"
}

# make_certificate NAME SUBJECT EXTENSION...: NAME.key and NAME.pem below the PKI
# folder. An extension file also for clients: without one openssl writes X.509 v1,
# which rustls refuses.
make_certificate() {
    local base=$PKI/$1 subject=$2
    shift 2
    [[ -s $base.pem ]] && return
    make_key "$base.key"
    {
        printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
            authorityKeyIdentifier=keyid,issuer "$@"
    } >"$base.ext"
    openssl req -new -key "$base.key" -subj "$subject" |
        openssl x509 -req -CA "$PKI/ca.pem" -CAkey "$PKI/ca.key" -days 3650 \
            -set_serial "0x$(openssl rand -hex 16)" -extfile "$base.ext" -out "$base.pem.new" 2>"$base.log" ||
        die "openssl could not make $base.pem: $(<"$base.log")"
    mv "$base.pem.new" "$base.pem"
    rm -f "$base.ext" "$base.log"
}

# write_kubeconfig FILE CERTIFICATE NAMESPACE
write_kubeconfig() {
    local ca pem key
    ca=$(base64 -w0 "$PKI/ca.pem")
    pem=$(base64 -w0 "$PKI/$2.pem")
    key=$(base64 -w0 "$PKI/$2.key")
    cat >"$1.new" <<END
apiVersion: v1
kind: Config
current-context: kjo-cluster
clusters:
- name: kjo-cluster
  cluster:
    server: https://127.0.0.1:$APISERVER_PORT
    certificate-authority-data: $ca
contexts:
- name: kjo-cluster
  context:
    cluster: kjo-cluster
    user: ${2##*/}
    namespace: $3
users:
- name: ${2##*/}
  user:
    client-certificate-data: $pem
    client-key-data: $key
END
    chmod 0600 "$1.new"
    mv "$1.new" "$1"
}

make_certificates() {
    mkdir -p "$PKI/users"
    make_key "$PKI/ca.key"
    make_key "$PKI/service-accounts.key"
    openssl pkey -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub"
    if [[ ! -s $PKI/ca.pem ]]; then
        openssl req -x509 -new -key "$PKI/ca.key" -subj "/CN=kjo-cluster-ca" -days 3650 \
            -addext keyUsage=critical,keyCertSign,cRLSign -out "$PKI/ca.pem.new"
        mv "$PKI/ca.pem.new" "$PKI/ca.pem"
    fi
    make_certificate server /CN=kjo-cluster extendedKeyUsage=serverAuth,clientAuth \
        "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:$NODE,DNS:kubernetes,\
DNS:kubernetes.default,DNS:kubernetes.default.svc"
    make_certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
    [[ -s $ADMIN ]] || write_kubeconfig "$ADMIN" admin default
}
