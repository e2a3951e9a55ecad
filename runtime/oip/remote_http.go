package oip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// httpService is a server behind REST.
type httpService struct {
	base   string // scheme, host and prefix
	token  string
	client *http.Client
}

// dialHTTP returns the server behind an http or https URL.
func dialHTTP(u *url.URL, o DialOptions) (*Remote, error) {
	transport := &http.Transport{
		DialContext:         o.Dialer,
		TLSClientConfig:     o.TLS.Clone(),
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 256, // as many callers at a time keep their connections
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
	s := &httpService{
		base:  strings.TrimRight(u.String(), "/"),
		token: o.Token,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return &Remote{s, s.parameters, func() error { transport.CloseIdleConnections(); return nil }}, nil
}

func (s *httpService) Live(ctx context.Context) error  { return s.health(ctx, "/v2/health/live") }
func (s *httpService) Ready(ctx context.Context) error { return s.health(ctx, "/v2/health/ready") }

func (s *httpService) ModelReady(ctx context.Context, model, version string) error {
	return s.health(ctx, modelPath(model, version)+"/ready")
}

func (s *httpService) Metadata(ctx context.Context) (*ServerMetadata, error) {
	m := new(ServerMetadata)
	return m, s.get(ctx, "/v2", m)
}

func (s *httpService) ModelMetadata(ctx context.Context, model, version string) (*ModelMetadata, error) {
	m := new(ModelMetadata)
	return m, s.get(ctx, modelPath(model, version), m)
}

func (s *httpService) parameters(ctx context.Context, model, version string) (map[string]string, error) {
	config := struct {
		Parameters map[string]struct {
			Value string `json:"string_value"`
		}
	}{}
	if err := s.get(ctx, modelPath(model, version)+"/config", &config); err != nil {
		return nil, err
	}
	parameters := map[string]string{}
	for name, p := range config.Parameters {
		parameters[name] = p.Value
	}
	return parameters, nil
}

func (s *httpService) Infer(ctx context.Context, r *Request) (*Response, error) {
	header, body, err := encodeRequest(withTimeout(ctx, r))
	if err != nil {
		return nil, err
	}
	header, body, err = s.exchange(ctx, http.MethodPost, modelPath(r.Model, r.Version)+"/infer", header, body)
	if err != nil {
		return nil, err
	}
	out, err := decodeResponse(header, body)
	if err != nil {
		return nil, s.garbled(err)
	}
	return out, nil
}

// modelPath returns a model's path.
func modelPath(model, version string) string {
	path := "/v2/models/" + url.PathEscape(model)
	if version != "" {
		path += "/versions/" + url.PathEscape(version)
	}
	return path
}

// health asks one of the yes-or-no questions. Any answer but yes is
// Unavailable, unless its status has a reason that the caller can do something
// about.
func (s *httpService) health(ctx context.Context, path string) error {
	_, body, err := s.exchange(ctx, http.MethodGet, path, nil, nil)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		switch refused.Cause {
		case Invalid, Internal: // Triton says 400 for "not ready"
			return &Error{Unavailable, refused.Message}
		}
		return err
	}
	answer := struct{ Ready, Live *bool }{} // the body is optional
	if json.Unmarshal(body, &answer) == nil && (no(answer.Ready) || no(answer.Live)) {
		return Errorf(Unavailable, "%s%s: the answer is no", s.base, path)
	}
	return nil
}

func no(answer *bool) bool { return answer != nil && !*answer }

// get reads the JSON object at path.
func (s *httpService) get(ctx context.Context, path string, into any) error {
	_, body, err := s.exchange(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	if err := decodeObject(body, into); err != nil {
		return s.garbled(err)
	}
	return nil
}

// garbled is the error of an answer with status 200 that cannot be read.
func (s *httpService) garbled(err error) error {
	return Errorf(Internal, "%s: the answer is not the protocol's: %v", s.base, err)
}

// exchange sends a request and returns the answer if its status is 200.
func (s *httpService) exchange(ctx context.Context, method, path string, header http.Header, body []byte) (http.Header, []byte, error) {
	if len(body) > MaxMessage {
		return nil, nil, Errorf(TooLarge, "%s: a request of %d bytes, at most %d are sent", s.base, len(body), MaxMessage)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, Errorf(Invalid, "%v", err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, nil, httpFailure(ctx, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, MaxMessage+1))
	switch {
	case err != nil:
		return nil, nil, httpFailure(ctx, err)
	case len(answer) > MaxMessage:
		return nil, nil, Errorf(TooLarge, "%s: an answer of more than %d bytes", s.base, MaxMessage)
	case response.StatusCode != http.StatusOK:
		return nil, nil, httpRefusal(response.StatusCode, s.message(response, answer))
	}
	return response.Header, answer, nil
}

// message returns what an answer without success says: the protocol's error
// object, or text.
func (s *httpService) message(response *http.Response, body []byte) string {
	object := struct{ Error string }{}
	if json.Unmarshal(body, &object) == nil && object.Error != "" {
		return s.base + ": " + object.Error
	}
	const most = 300
	text := strings.TrimSpace(string(body[:min(len(body), most)]))
	if location := response.Header.Get("Location"); location != "" {
		text = "redirection to " + location + ", which is not followed"
	}
	return strings.TrimSuffix(s.base+": "+response.Status+": "+text, ": ")
}
