package bottleneck

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Channels is a number of channels that cross a cut. In JSON and text Full is "full".
type Channels int

// Full stands for all channels of the cut tensor, without channel units.
const Full Channels = -1

// Auto stands for as many channels of each tensor as a payload has room for.
const Auto Channels = -2

// String is the number, full or auto.
func (c Channels) String() string {
	switch c {
	case Full:
		return "full"
	case Auto:
		return "auto"
	}
	return strconv.Itoa(int(c))
}

// MarshalJSON writes a number, "full" or "auto".
func (c Channels) MarshalJSON() ([]byte, error) {
	if c < 0 {
		return json.Marshal(c.String())
	}
	return json.Marshal(int(c))
}

// UnmarshalJSON reads a number, "full" or "auto".
func (c *Channels) UnmarshalJSON(text []byte) error {
	parsed, err := ParseChannels(strings.Trim(string(text), `"`))
	if err == nil {
		*c = parsed
	}
	return err
}

// ParseChannels reads a number from 1 on, full or auto.
func ParseChannels(text string) (Channels, error) {
	for _, word := range []Channels{Full, Auto} {
		if text == word.String() {
			return word, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("expected a number from 1 on, or %v", Full)
	}
	return Channels(n), nil
}
