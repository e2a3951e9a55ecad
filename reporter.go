package bnc

import "github.com/bottlenet/bnc/internal/progress"

// Reporter is told how a function goes on: its Phase begins a part of the work, its Step
// says how much of it is done, and its Notice is a line that a person should know. Nil, in
// options, is silent. Calls come one at a time. What Step and Notice are about is, in a
// training, a train.Status, train.Validation or train.Epoch, in a search a search.Event.
type Reporter = progress.Reporter
