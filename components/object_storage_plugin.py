"""Lets a worker of Beam use ``s3``: for Beam's flag ``--beam_plugin``.

A worker imports it when it begins. Transform and Evaluator load models there by TensorFlow.
"""

from components import object_storage

object_storage.register([object_storage.S3])
