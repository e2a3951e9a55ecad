package bnc

import (
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/data"
)

// inputFiles replaces folders by the images and tensors in them, in name order, and tells
// what else they hold.
func inputFiles(paths []string, p progress.Progress) ([]string, error) {
	files, passedOver, err := data.Inputs(paths)
	for _, line := range passedOver {
		p.Notice("%s", line)
	}
	return files, err
}
