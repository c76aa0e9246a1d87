"""The models: data, training, evaluation, releases and what Triton loads. Never imports Kafka."""
