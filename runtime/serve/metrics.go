package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics counts what a server does, for Prometheus. It is the Observer of a
// Repository. The label model holds only names that are served: requests for
// others, and those that are refused before their model is known, count with
// model "", so that nobody fills the server's memory with names.
//
//	bnc_requests_total{model,cause}     requests by outcome, cause "ok" or an oip.Cause
//	bnc_request_seconds{model,stage}    of answered requests: queue, compute, total
//	bnc_payload_bytes{model}            of answered requests
//	bnc_batch_images{model}             images computed in one run
//	bnc_queue_length{model}             requests that wait
//
// Beside these it has the process's and the Go runtime's own.
type Metrics struct {
	Registry *prometheus.Registry

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	payload  *prometheus.HistogramVec
	images   *prometheus.HistogramVec
	queue    *prometheus.GaugeVec
}

// causeOK is the label of an answered request.
const causeOK = "ok"

// NewMetrics returns metrics in a registry of their own.
func NewMetrics() *Metrics {
	model := []string{"model"}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bnc_requests_total", Help: "Requests by model and outcome.",
		}, []string{"model", "cause"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bnc_request_seconds", Help: "Duration of answered requests by stage: queue, compute, total.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"model", "stage"}),
		payload: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bnc_payload_bytes", Help: "Bytes of the inputs of answered requests.",
			Buckets: prometheus.ExponentialBuckets(16, 4, 12), // to 64 MB
		}, model),
		images: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bnc_batch_images", Help: "Images computed in one run.",
			Buckets: []float64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128},
		}, model),
		queue: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bnc_queue_length", Help: "Requests that wait to be computed.",
		}, model),
	}
	m.Registry.MustRegister(m.requests, m.seconds, m.payload, m.images, m.queue,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

var _ Observer = (*Metrics)(nil)

// Request counts one request; cause "" is an answered one.
func (m *Metrics) Request(model, cause string, queue, compute, total time.Duration, payloadBytes int) {
	if cause != "" {
		m.requests.WithLabelValues(model, cause).Inc()
		return
	}
	m.requests.WithLabelValues(model, causeOK).Inc()
	m.seconds.WithLabelValues(model, "queue").Observe(queue.Seconds())
	m.seconds.WithLabelValues(model, "compute").Observe(compute.Seconds())
	m.seconds.WithLabelValues(model, "total").Observe(total.Seconds())
	m.payload.WithLabelValues(model).Observe(float64(payloadBytes))
}

// Batch counts one run over that many images.
func (m *Metrics) Batch(model string, images int) {
	m.images.WithLabelValues(model).Observe(float64(images))
}

// Queue sets how many requests of the model wait.
func (m *Metrics) Queue(model string, waiting int) {
	m.queue.WithLabelValues(model).Set(float64(waiting))
}
