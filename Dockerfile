# The command line without a screen and without Qt: docker build -t depth-interp .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" depth-interp batch /data/in /data/out --factor 4
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" depth-interp bids /data/raw /data/derivatives participant
# With a GPU add --gpus all. A smaller image without CUDA:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t depth-interp:cpu .
FROM python:3.12-slim

# torch and torchvision come from one index: builds of two kinds do not work together.
ARG TORCH_INDEX=https://pypi.org/simple
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple torch torchvision

COPY pyproject.toml README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir "/src[cluster,formats,report]" && rm -r /src

# Any user may run it: what is remembered and loaded goes to places that everybody can write.
ENV HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    DEPTH_INTERP_MODELS=/models \
    OMP_WAIT_POLICY=PASSIVE
WORKDIR /data
ENTRYPOINT ["depth-interp"]
CMD ["--help"]
