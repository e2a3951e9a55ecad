package profile

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
)

// processor names this machine's processor and how many cores it has.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // other systems have none
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return fmt.Sprintf("%s, %d cores", strings.TrimSpace(value), runtime.NumCPU())
		}
	}
	return fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

// Drawing returns an image of 256 x 256 with smooth and rough parts, always the same: what
// is run where there are no real ones.
func Drawing() image.Image {
	const side = 256
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			rough := 0
			if (x/64+y/64)%2 == 1 {
				rough = r.IntN(64)
			}
			img.Set(x, y, color.RGBA{uint8(x/2 + rough), uint8(y/2 + rough), uint8((x+y)/4 + rough), 255})
		}
	}
	return img
}
