package ort

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// NodeTime is how long one node took in one run.
type NodeTime struct {
	// Name is the node's own or, where the optimiser made it out of others, one
	// that it derived from a node's or an output's.
	Name string
	Op   string // the operator, ReorderInput and ReorderOutput included
	Took time.Duration
}

// ReadProfile returns what sessions with Options.Profile have written to the file
// of that prefix: every run's nodes in the order in which they ran. The session
// must be closed.
func ReadProfile(prefix string) ([][]NodeTime, error) {
	files, err := filepath.Glob(prefix + "_*.json")
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("profile %s: expected one file, found %q", prefix, files)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	var events []struct {
		Cat, Name string
		Dur       int64 // microseconds
		Args      struct {
			Op string `json:"op_name"`
		}
	}
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, fmt.Errorf("profile %s: %w", files[0], err)
	}
	var runs [][]NodeTime
	var nodes []NodeTime
	for _, e := range events {
		name, isNode := strings.CutSuffix(e.Name, "_kernel_time")
		switch {
		case e.Cat == "Node" && isNode:
			nodes = append(nodes, NodeTime{name, e.Args.Op, time.Duration(e.Dur) * time.Microsecond})
		case e.Cat == "Session" && e.Name == "model_run":
			runs, nodes = append(runs, nodes), nil
		}
	}
	return runs, nil
}
