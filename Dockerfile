# A server for one model, on a CPU or, with another build of PyTorch, on an NVIDIA GPU.
#
#   docker build -t adapt-serve .                              # CPU
#   docker build -t adapt-serve:cuda --build-arg TORCH=cu126 . # any CUDA build of PyTorch's own index
#   docker run --rm -p 8000:8000 -v ./model:/model:ro adapt-serve
#   docker run --rm -p 8000:8000 -v ./model:/model:ro --gpus all adapt-serve:cuda
#
# It needs no network, writes nothing (`--read-only` works) and runs as a user without rights.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS built
ARG TORCH=cpu
ARG EXTRAS=serve
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/adapt
ENV PATH=/opt/adapt/bin:$PATH
# By itself, so that a change of the package does not fetch PyTorch again.
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/${TORCH}
WORKDIR /source
COPY pyproject.toml setup.cfg README.md LICENSE NOTICE ./
COPY recipes recipes
COPY adapt adapt
RUN pip install ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
COPY --from=built /opt/adapt /opt/adapt
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin adapt
ENV PATH=/opt/adapt/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8000
VOLUME /model
# SIGTERM: what was taken is answered before the end; `docker stop -t 60` leaves it the time.
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=120s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=5)"]
ENTRYPOINT ["adapt", "serve", "/model", "--host", "0.0.0.0"]
