package flags

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// TestFlags sets one flag after the other: what is said is what is there, and what cannot be
// is refused and changes nothing.
func TestFlags(t *testing.T) {
	var (
		count, bound int
		share        *float64
		wait         *time.Duration
		list, pad    []int
		size         int64
		shapes       map[string][]int64
		crop         [2]int
	)
	for _, c := range []struct {
		flag      pflag.Value
		text      string
		to        any
		want      string
		wrong     []string
		wantError string
	}{
		{CountFrom1(&count), "3", &count, "3", []string{"0", "-1", "x"}, ""},
		{Bounded(&bound, 2, 8), "8", &bound, "8", []string{"1", "9"}, "expected 2 to 8"},
		{Float(&share), "0", &share, "0", []string{"x"}, ""},
		{Duration(&wait), "1.5s", &wait, "1.5s", []string{"1"}, ""},
		{List(&list, "N", Within(1, 4)), "1,4,2", &list, "[1 4 2]", nil, ""},
		{Levels(&pad), "114,0", &pad, "[114 0]", []string{"256"}, "expected numbers from 0 to 255, for example 114,114,114"},
		{Bytes(&size), "4kB", &size, "4000", []string{"none", "0"}, "expected a size, for example 4GB"},
		{Shapes(&shapes), "a=b=1x3,8", &shapes, "map[a=b:[1 3 8]]", []string{"1x2", "a=", "a=0"}, ""},
		{Sizes(crop[:], "HxW", "2x2"), "224x192", &crop, "[224 192]", []string{"224", "1x2x3"}, "expected HxW, for example 2x2"},
	} {
		if err := c.flag.Set(c.text); err != nil {
			t.Errorf("%s %s: %v", c.flag.Type(), c.text, err)
		}
		for _, wrong := range c.wrong {
			if err := c.flag.Set(wrong); err == nil || c.wantError != "" && err.Error() != c.wantError {
				t.Errorf("%s %s: %v, expected %s", c.flag.Type(), wrong, err, c.wantError)
			}
		}
		got := reflect.ValueOf(c.to).Elem()
		if got.Kind() == reflect.Pointer {
			got = got.Elem()
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s %s: %v, expected %s", c.flag.Type(), c.text, got, c.want)
		}
	}
}
