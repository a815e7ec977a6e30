# Every image of docker-compose.yml, one stage each. All of them are Debian with Debian's own packages, so that one base
# image brings all security updates, and one user (10001) owns what they share. Packages of Python are those of uv.lock:
# pyproject.toml says by a group what each image installs. No stage needs BuildKit; without it all stages up to the
# asked one are built, so the small ones come first.
FROM debian:bookworm-slim AS base
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin reelmill
ENV LANG=C.UTF-8

FROM base AS postgres
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/* \
 && install -d -m 0700 -o reelmill -g reelmill /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY docker/postgres /usr/local/bin/start-postgres
USER reelmill
EXPOSE 5432
CMD ["start-postgres"]

FROM base AS redis
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* \
 && install -d -m 0700 -o reelmill -g reelmill /var/lib/redis /run/redis
COPY docker/redis /usr/local/bin/start-redis
USER reelmill
EXPOSE 6379
CMD ["start-redis"]

FROM base AS edge
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light curl && rm -rf /var/lib/apt/lists/*
COPY docker/edge.conf /etc/reelmill/edge.conf
USER reelmill
EXPOSE 8080
CMD ["nginx", "-e", "stderr", "-c", "/etc/reelmill/edge.conf"]

FROM base AS prometheus
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus curl && rm -rf /var/lib/apt/lists/* \
 && install -d -m 0700 -o reelmill -g reelmill /prometheus
COPY docker/prometheus.yml /etc/reelmill/prometheus.yml
COPY docker/consoles /etc/reelmill/consoles
USER reelmill
EXPOSE 9090
CMD ["prometheus", "--config.file=/etc/reelmill/prometheus.yml", "--storage.tsdb.path=/prometheus", \
     "--web.console.templates=/etc/reelmill/consoles", "--web.console.libraries=/usr/share/prometheus/console_libraries"]

FROM base AS python
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/reelmill/bin:$PATH PYTHONUNBUFFERED=1 DO_NOT_TRACK=1 REELMILL_HOME=/data/home \
    REELMILL_LANDING=/data/landing REELMILL_EVENTS=/data/events REELMILL_MEDIA=/data/media REELMILL_JARS=/opt/jars
# A named volume takes the owner of the folder on which it is first mounted.
RUN install -d -m 0700 -o reelmill -g reelmill /data/home /data/landing /data/events /data/media

# What installs packages stays out of the images: each gets the finished environment, and our wheel as a layer of its own.
FROM python AS uv
ENV UV_PROJECT_ENVIRONMENT=/opt/reelmill UV_PYTHON=/usr/bin/python3 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
COPY pyproject.toml uv.lock /src/
WORKDIR /src
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/* \
 && python3 -m pip install --quiet --no-cache-dir --root-user-action ignore --break-system-packages \
    "uv==$(sed -n '/^name = "uv"$/{n;s/.*"\(.*\)"/\1/p}' uv.lock)"

FROM uv AS wheel
RUN uv venv --quiet /opt/reelmill && uv export --quiet --frozen --only-group dev --no-hashes --output-file /tmp/build.txt
COPY README.md LICENSE /src/
COPY dags /src/dags
COPY data_contracts /src/data_contracts
COPY feature_repo /src/feature_repo
COPY jobs /src/jobs
COPY serving /src/serving
RUN python3 -m jobs.host.npm && uv build --quiet --wheel --build-constraint /tmp/build.txt --out-dir /dist \
 && uv pip install --quiet --no-deps --offline --python /opt/reelmill/bin/python /dist/*.whl

FROM uv AS api-packages
RUN uv sync --quiet --frozen --only-group api

# The endpoint: no Spark, no Java, no FFmpeg, no orchestrator.
FROM python AS api
COPY --from=api-packages /opt/reelmill /opt/reelmill
COPY --from=wheel /opt/reelmill /opt/reelmill
USER reelmill
EXPOSE 8000
CMD ["reelmill", "serve", "--host", "0.0.0.0"]

FROM uv AS spark-packages
RUN uv sync --quiet --frozen --only-group spark

FROM python AS spark-base
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless libgomp1 procps && rm -rf /var/lib/apt/lists/*
ENV SPARK_HOME=/opt/reelmill/lib/python3.11/site-packages/pyspark PYSPARK_PYTHON=/opt/reelmill/bin/python
COPY --from=spark-packages /opt/reelmill /opt/reelmill

# Spark's jars, those that read Kafka included, and Kafka's own. Where the base image has a bundle of certificates of its own (a proxy's, say), Java is told of them.
FROM spark-base AS jars
RUN if [ -s "${SSL_CERT_FILE:-}" ]; then \
      awk '/BEGIN CERT/ {n++} n {print > ("/usr/local/share/ca-certificates/base-" n ".crt")}' "$SSL_CERT_FILE" \
      && update-ca-certificates --fresh >/dev/null 2>&1; \
    fi
COPY --from=wheel /opt/reelmill /opt/reelmill
RUN REELMILL_HOME=/tmp/home REELMILL_EVENTS=kafka://localhost:9092/events reelmill setup \
 && REELMILL_HOME=/tmp/home python -m jobs.command.broker --only-jars && chmod -R a+rX /opt/jars /opt/kafka-server

# Kafka's broker: its jars, and Java.
FROM base AS kafka
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless && rm -rf /var/lib/apt/lists/* \
 && install -d -m 0700 -o reelmill -g reelmill /var/lib/kafka
COPY --from=jars /opt/kafka-server /opt/kafka-server
ENV KAFKA_JARS=/opt/kafka-server KAFKA_DATA=/var/lib/kafka
COPY docker/kafka /usr/local/bin/start-kafka
USER reelmill
EXPOSE 9092
CMD ["start-kafka"]

# Spark's master and workers, and the media workers: all jobs, FFmpeg, Java.
FROM spark-base AS spark
COPY --from=jars /opt/jars /opt/jars
COPY --from=wheel /opt/reelmill /opt/reelmill
COPY docker/spark-defaults.conf /etc/reelmill/spark/
ENV SPARK_CONF_DIR=/etc/reelmill/spark
USER reelmill
CMD ["reelmill", "--help"]

# What Airflow needs beyond Spark: the files that are new.
FROM spark-packages AS airflow-packages
RUN touch /before && sleep 1 && uv sync --quiet --frozen --only-group spark --only-group airflow && mkdir /more \
 && find /opt/reelmill -cnewer /before ! -type d -print0 | tar --create --null --files-from - | tar --extract --directory /more

# A task of Airflow is the driver of a Spark job, so this holds Spark too.
FROM spark AS airflow
COPY --from=airflow-packages /more /
USER root
RUN install -d -m 0700 -o reelmill -g reelmill /airflow
USER reelmill
ENV AIRFLOW_HOME=/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/reelmill/lib/python3.11/site-packages/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/reelmill/lib/python3.11/site-packages/dags/plugins
EXPOSE 8080
CMD ["airflow", "version"]

FROM spark-packages AS dagster-packages
RUN touch /before && sleep 1 && uv sync --quiet --frozen --only-group spark --only-group dagster && mkdir /more \
 && find /opt/reelmill -cnewer /before ! -type d -print0 | tar --create --null --files-from - | tar --extract --directory /more

# Dagster runs itself the jobs that it is asked for.
FROM spark AS dagster
COPY --from=dagster-packages /more /
USER root
RUN install -d -m 0700 -o reelmill -g reelmill /dagster \
 && python -c "from jobs.command.orchestrators import DAGSTER_YAML; print(DAGSTER_YAML)" > /dagster/dagster.yaml
USER reelmill
ENV DAGSTER_HOME=/dagster
WORKDIR /tmp
EXPOSE 3000
CMD ["dagster", "dev", "--module-name", "dags.catalog", "--host", "0.0.0.0", "--port", "3000"]
