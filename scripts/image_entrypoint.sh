#!/bin/sh
# What the image runs: Beam's worker where Dataflow or a worker pool starts it, which give these
# options (https://cloud.google.com/dataflow/docs/guides/build-container-image#custom-entrypoint);
# otherwise the project's command. The pods name their own.
set -eu
case "${1-}" in
    --id=* | --*_endpoint=* | --semi_persist_dir=* | --worker_pool*)
        exec "${BEAM_BOOT:-/opt/apache/beam/boot}" "$@"
        ;;
esac
exec complaint-pipeline "$@"
