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

// String is the number, or full.
func (c Channels) String() string {
	if c == Full {
		return "full"
	}
	return strconv.Itoa(int(c))
}

// MarshalJSON writes a number, or "full".
func (c Channels) MarshalJSON() ([]byte, error) {
	if c == Full {
		return []byte(`"full"`), nil
	}
	return json.Marshal(int(c))
}

// UnmarshalJSON reads a number, or "full".
func (c *Channels) UnmarshalJSON(text []byte) error {
	parsed, err := ParseChannels(strings.Trim(string(text), `"`))
	if err == nil {
		*c = parsed
	}
	return err
}

// ParseChannels reads a number from 1 on, or full.
func ParseChannels(text string) (Channels, error) {
	if text == Full.String() {
		return Full, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("expected a number from 1 on, or %v", Full)
	}
	return Channels(n), nil
}
