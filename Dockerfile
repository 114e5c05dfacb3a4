# Stage 1: the packages, from the lock file with its hashes, and the static files
FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app
COPY requirements.txt requirements-saml.txt requirements-ldap.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements.txt
# For whoever logs in by SAML or LDAP: "saml", "ldap" or both.
ARG SIGN_ON=""
RUN case " $SIGN_ON " in *" saml "*) pip install --require-hashes --only-binary :all: -r requirements-saml.txt ;; esac
# python-ldap comes as source alone.
RUN case " $SIGN_ON " in *" ldap "*) apt-get update -q && \
    apt-get install -q -y --no-install-recommends gcc libc6-dev libldap2-dev libsasl2-dev && \
    pip install --require-hashes -r requirements-ldap.txt ;; esac
COPY manage.py gunicorn.conf.py ./
COPY portal portal
COPY connections connections
COPY templates templates
# Any key will do here: nothing is signed while static files are collected.
RUN SECRET_KEY=unused python manage.py collectstatic --noinput --skip-checks && python -m compileall -q portal connections

# Stage 2: what runs, without pip's leftovers and not as root
FROM python:3.13-slim-bookworm
ARG SIGN_ON=""
RUN case " $SIGN_ON " in *" ldap "*) apt-get update -q && \
    apt-get install -q -y --no-install-recommends libldap-2.5-0 && rm -rf /var/lib/apt/lists/* ;; esac
RUN groupadd --gid 10001 portal && useradd --uid 10001 --gid portal --no-create-home --shell /usr/sbin/nologin portal
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=portal.settings
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "portal/healthcheck.py"]
CMD ["gunicorn", "portal.wsgi", "--bind", "0.0.0.0:8000"]
