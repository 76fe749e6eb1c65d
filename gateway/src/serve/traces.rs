//! Where spans go: to a collector, by OTLP over HTTP, if one is named.
//!
//! A thread of the library sends them in batches; what it cannot send is dropped and counted, and no request waits for it.
//! At most [`SPANS_WAITING`] spans wait.

use super::ServeError;
use crate::metrics::TRACES_FAILED;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use warren_config::settings::Telemetry;

/// Spans that wait to be sent, at most.
const SPANS_WAITING: usize = 8192;
/// How often they are sent.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How long the collector has to take them.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// How long the last of them may take when the server stops.
const LAST_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of a collector's answer that are read.
const ANSWER_MAX: u64 = 64 * 1024;

/// What sends spans, if they go anywhere.
#[derive(Debug)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins, if the configuration or the environment (`OTEL_EXPORTER_OTLP_ENDPOINT`) names a collector.
    ///
    /// # Errors
    /// What is wrong with its address.
    pub(super) fn start(settings: &Telemetry) -> Result<Traces, ServeError> {
        let named = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let by_environment = named.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        if settings.otlp_endpoint.is_none() && !by_environment {
            return Ok(Traces(None));
        }
        let mut exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        if let Some(endpoint) = &settings.otlp_endpoint {
            exporter = exporter.with_endpoint(format!("{}/v1/traces", endpoint.0.trim_end_matches('/')));
        }
        let exporter = exporter.with_timeout(SENT_WITHIN).with_http_client(Client::new()).build();
        let exporter = exporter.map_err(|error| ServeError::Telemetry(error.to_string()))?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(SPANS_WAITING).with_scheduled_delay(SEND_EVERY);
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build();
        let resource = Resource::builder().with_service_name("warren");
        let resource =
            resource.with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches)
            // By the trace's id alone: all nodes decide alike, and no client decides for us.
            .with_sampler(Sampler::TraceIdRatioBased(settings.sampled.0))
            .with_resource(resource.build())
            .build();
        Ok(Traces(Some(provider)))
    }

    /// What takes spans in. Ours alone: a library's are nobody's business here.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> Option<impl Layer<S> + use<S>> {
        let tracer = self.0.as_ref()?.tracer("warren");
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("warren"));
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
        Some(layer.with_target(false).with_tracked_inactivity(false).with_context_activation(false).with_filter(ours))
    }

    /// Sends what is left.
    pub(super) fn end(&self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(LAST_WITHIN)
        {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Sends on the library's own thread, which may wait.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Client {
        let config = ureq::Agent::config_builder().timeout_global(Some(SENT_WITHIN)).http_status_as_error(false);
        Client(config.build().into())
    }

    fn post(
        &self,
        request: opentelemetry_http::Request<Bytes>,
    ) -> Result<opentelemetry_http::Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = opentelemetry_http::Request::from_parts(parts, body.to_vec());
        let (parts, mut body) = self.0.run(request)?.into_parts();
        let answer = body.with_config().limit(ANSWER_MAX).read_to_vec()?;
        Ok(opentelemetry_http::Response::from_parts(parts, answer.into()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(
        &self,
        request: opentelemetry_http::Request<Bytes>,
    ) -> Result<opentelemetry_http::Response<Bytes>, HttpError> {
        let answer = self.post(request);
        let failed = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failed {
            metrics::counter!(TRACES_FAILED).increment(1);
            tracing::warn!(error, "the collector did not take spans; they are lost");
        }
        answer
    }
}
