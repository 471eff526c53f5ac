#!/bin/sh
# Makes what the pods need as Secrets, for a first cluster: a private certificate authority, certificates for nodes and
# routers (told apart by their DNS name), a self-signed one for clients, and the Secret with the keys that sign tokens. Keep
# ca.key off the cluster. With cert-manager or a company's authority, issue the same names there; see docs/kubernetes.md.
#
#   deploy/k8s/make-secrets.sh FOLDER JWKS_FILE PUBLIC_NAME   writes certificates and secrets.yaml into FOLDER
#   kubectl apply -f FOLDER/secrets.yaml
set -eu
umask 077

[ $# -eq 3 ] || { echo "usage: $0 FOLDER JWKS_FILE PUBLIC_NAME" >&2 && exit 2; }
folder=$1
jwks=$2
public=$3
[ -f "$jwks" ] || { echo "$0: there is no $jwks" >&2 && exit 1; }
mkdir -p "$folder"

days=365
authority_days=3650

if [ ! -f "$folder/ca.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $authority_days \
        -subj "/CN=Hansard cluster authority" -keyout "$folder/ca.key" -out "$folder/ca.crt" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi

issue() {
    role=$1
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$role.hansard.internal" \
        -keyout "$folder/$role.key" -out "$folder/$role.csr" 2>/dev/null
    printf '%s\n' "subjectAltName=DNS:$role.hansard.internal" "basicConstraints=critical,CA:FALSE" \
        "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth" >"$folder/$role.ext"
    openssl x509 -req -in "$folder/$role.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial \
        -days $days -extfile "$folder/$role.ext" -out "$folder/$role.crt" 2>/dev/null
    rm "$folder/$role.csr" "$folder/$role.ext"
}

encoded() {
    base64 -w 0 <"$1"
}

secret() {
    role=$1
    cat <<YAML
apiVersion: v1
kind: Secret
metadata: {name: hansard-$role-tls, namespace: hansard, labels: {app.kubernetes.io/name: hansard}}
type: kubernetes.io/tls
data:
  tls.crt: $(encoded "$folder/$role.crt")
  tls.key: $(encoded "$folder/$role.key")
  ca.crt: $(encoded "$folder/ca.crt")
---
YAML
}

issue node
issue router
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj "/CN=$public" \
    -addext "subjectAltName=DNS:$public" -keyout "$folder/public.key" -out "$folder/public.crt" 2>/dev/null
{
    secret node
    secret router
    cat <<YAML
apiVersion: v1
kind: Secret
metadata: {name: hansard-router-public, namespace: hansard, labels: {app.kubernetes.io/name: hansard}}
type: kubernetes.io/tls
data:
  tls.crt: $(encoded "$folder/public.crt")
  tls.key: $(encoded "$folder/public.key")
---
apiVersion: v1
kind: Secret
metadata: {name: hansard-jwks, namespace: hansard, labels: {app.kubernetes.io/name: hansard}}
data:
  jwks.json: $(encoded "$jwks")
YAML
} >"$folder/secrets.yaml"
echo "$folder/secrets.yaml is ready; clients trust $folder/public.crt (hansard --ca); keep $folder/ca.key off the cluster"
