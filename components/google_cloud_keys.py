"""Keys by which the pipeline tells Trainer and Pusher of Google Cloud, and they it."""

# Those of tfx.extensions.google_cloud_ai_platform.constants and trainer.executor, whose import
# takes seconds.
ENABLE_VERTEX_KEY = "ai_platform_enable_vertex"
VERTEX_REGION_KEY = "ai_platform_vertex_region"
VERTEX_CONTAINER_IMAGE_URI_KEY = "ai_platform_vertex_container_image_uri"
TRAINING_ARGS_KEY = "ai_platform_training_args"
SERVING_ARGS_KEY = "ai_platform_serving_args"

#: A larger model, in megabytes, is not pushed.
MAX_MODEL_MEGABYTES_KEY = "max_model_megabytes"
#: Whether models without requests are taken off the endpoint after a push.
UNDEPLOY_PREVIOUS_KEY = "undeploy_previous"

#: Custom property of a pushed model: the endpoint that serves it.
ENDPOINT_PROPERTY = "endpoint"
