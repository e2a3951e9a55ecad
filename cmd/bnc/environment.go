package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// fromVariables are the flags whose values come from environment variables.
type fromVariables []string

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "BNC_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that are not given and have a variable. The error names
// the variable.
func fromEnvironment(fs *pflag.FlagSet) (set fromVariables, err error) {
	fs.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(variable(f.Name))
		if err != nil || f.Changed || value == "" || f.Name == "help" || variable(f.Name) == tokenVariable { // which holds no file
			return
		}
		if err = fs.Set(f.Name, value); err != nil {
			err = fmt.Errorf("variable %s: %w", variable(f.Name), flagError(err))
		}
		set = append(set, f.Name)
	})
	if err == nil {
		err = set.blame(inBounds(fs))
	}
	return set, err
}

// blame says of an error which of the flags that it names come from variables.
func (set fromVariables) blame(err error) error {
	if err == nil {
		return nil
	}
	for _, name := range set {
		if regexp.MustCompile(`--` + name + `([^a-z0-9-]|$)`).MatchString(inFlags(err.Error())) {
			err = fmt.Errorf("%w (--%s is from the variable %s)", err, name, variable(name))
		}
	}
	return err
}
