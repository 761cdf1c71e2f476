# One image with all three programs under supervisord. For BuildKit and for the classic builder alike: so without
# `RUN --mount`, here-documents and a `syntax` line.

FROM rust:1.95-slim-bookworm AS rust
# Without versions: Debian's mirrors keep only the newest of a release.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# The manifests alone, with empty libraries: what follows is built anew only if one of them changes.
FROM rust AS manifests
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock -delete \
 && for crate in crates/* tests bench; do mkdir -p "$crate/src" && touch "$crate/src/lib.rs" || exit 1; done

FROM rust AS build
# All dependencies, librdkafka among them, in a layer of their own. Only libraries: linking takes its time.
COPY --from=manifests /build .
RUN cargo build --profile image --locked --lib -p pg-notify-worker -p kafka-consumer -p api
COPY . .
# cargo goes by the time of a file, and the empty libraries are younger than the real ones.
RUN find crates -name '*.rs' -exec touch {} + \
 && cargo build --profile image --locked -p pg-notify-worker -p kafka-consumer -p api

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="cities-cache" \
      org.opencontainers.image.description="Cities of a country over HTTP, from a cache that every change in PostgreSQL clears" \
      org.opencontainers.image.licenses="MIT"
# Certificates for a store behind https.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates supervisor \
 && rm -rf /var/lib/apt/lists/*
ENV RUN_FOLDER=/run/cities-cache
RUN install -d -o 10001 -g 10001 "$RUN_FOLDER"
COPY --from=build /build/target/image/pg-notify-worker /build/target/image/kafka-consumer /build/target/image/api /usr/local/bin/
# A missing library fails the build, not the first start.
RUN for program in pg-notify-worker kafka-consumer api; do \
      ldd "/usr/local/bin/$program" > /tmp/ldd && ! grep 'not found' /tmp/ldd || exit 1; \
    done && rm /tmp/ldd
COPY entrypoint.sh /usr/local/bin/
COPY supervisord.conf /etc/supervisord.conf
# By number: Kubernetes (runAsNonRoot) can't tell from a name that it isn't root.
USER 10001:10001
EXPOSE 8000
# Fails unless supervisord runs all three and the API answers: after at most 20 s the container is unhealthy. Each check
# takes 14 ms of processor time.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=2 CMD ["api", "--healthy"]
ENTRYPOINT ["entrypoint.sh"]
CMD ["supervisord", "-c", "/etc/supervisord.conf"]
