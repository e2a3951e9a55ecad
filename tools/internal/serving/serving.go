// Package serving starts bnc serve for measurements.
package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Server is a bnc serve of its own process, over gRPC on loopback.
type Server struct {
	Address string // grpc://HOST:PORT
	process *exec.Cmd
}

// Start runs program serve with args and waits until it is ready.
func Start(ctx context.Context, program string, args ...string) (*Server, error) {
	cmd := exec.CommandContext(ctx, program, append([]string{"serve", "--http", "", "--grpc", "127.0.0.1:0", "--json", "--log-level", "error"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{process: cmd}
	var ready struct {
		GRPC string `json:"grpc"`
	}
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		return nil, errors.Join(fmt.Errorf("bnc serve did not start: %w", err), s.Stop())
	}
	s.Address = "grpc://" + ready.GRPC
	return s, nil
}

// PID is the process's number.
func (s *Server) PID() int { return s.process.Process.Pid }

// Stop ends the server and waits for it.
func (s *Server) Stop() error {
	s.process.Process.Signal(syscall.SIGTERM) // an error says that it has ended
	return s.process.Wait()
}
