# kjo alone, for use in pods: a static program, certificates of public authorities, /tmp. No shell.
#
#   docker build -t kjo .
#   docker run --rm kjo --version
#
# In a pod it finds the cluster by the pod's service account; manifests/rbac.yaml is what that needs.

FROM rust:1-alpine AS build
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
# The embedded cluster runs commands from the files around it, of which this image has none.
ARG FEATURES="--no-default-features"
RUN cargo build --release --locked --bin kjo ${FEATURES} \
    && mkdir -p /image/etc/ssl/certs /image/tmp \
    && chmod 1777 /image/tmp \
    && cp target/release/kjo /image/kjo \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/kjo"]
