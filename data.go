package bnc

import (
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagecodec"
)

// inputFiles is data.Inputs.
func inputFiles(paths []string, p progress.Progress) ([]string, error) {
	return data.Inputs(paths, p.Notice)
}

// tellSystem is imagecodec.TellSystem.
func tellSystem(p progress.Progress, names ...string) { imagecodec.TellSystem(p.Notice, names...) }
