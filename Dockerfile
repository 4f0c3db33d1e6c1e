# syntax=docker/dockerfile:1

# --- build tools, and the embedding model with the ONNX Runtime ------------------------------
FROM rust:1.95-slim-bookworm AS tools
WORKDIR /build
# Only what the set-up reads, so that the model is made again only when its recipe changes.
COPY Cargo.toml ./
COPY scripts ./scripts
RUN --mount=type=cache,target=/var/cache/pip \
    PIP_CACHE_DIR=/var/cache/pip LECTERN_MODEL_DIR=/opt/lectern/models scripts/setup.sh && rm -rf /var/lib/apt/lists/*

# --- the binary ------------------------------------------------------------------------------
FROM tools AS binary
COPY . .
# The caches keep compiled dependencies between builds; the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/lectern /usr/local/bin/lectern

# --- what runs -------------------------------------------------------------------------------
FROM debian:12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin lectern \
    && install --directory --owner=lectern --group=lectern /data
COPY --from=tools /opt/lectern/models /opt/lectern/models
COPY --from=binary /usr/local/bin/lectern /usr/local/bin/lectern
COPY samples /opt/lectern/samples
COPY LICENSE-MIT LICENSE-APACHE /opt/lectern/
ENV LECTERN_HOME=/data \
    LECTERN__SERVER__ADDR=0.0.0.0:8080 \
    LECTERN__EMBEDDING__DIR=/opt/lectern/models
USER lectern
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Without curl: bash asks for /readyz itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r -t 4 _ status _ <&3 && [[ $status == 200 ]]"]
# The binary drains and ends by itself on SIGTERM, so it needs no init before it.
ENTRYPOINT ["lectern"]
CMD ["serve"]
