// Renders a Helm chart's templates with the functions that ours use, where helm itself is not to be had.
//
//	go run render.go CHART VALUES.json RELEASE
//
// Chart.yaml's name and version come from VALUES.json too: {"Chart": …, "Values": …}. toYaml writes JSON, which is YAML.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func indent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

func main() {
	var given struct{ Chart, Values map[string]any }
	data, err := os.ReadFile(os.Args[2])
	check(err)
	check(json.Unmarshal(data, &given))
	root := template.New("chart").Option("missingkey=error")
	root.Funcs(template.FuncMap{
		"include": func(name string, about any) (string, error) {
			var out bytes.Buffer
			err := root.ExecuteTemplate(&out, name, about)
			return out.String(), err
		},
		"toYaml": func(value any) (string, error) {
			text, err := json.Marshal(value)
			return string(text), err
		},
		"nindent":   func(spaces int, text string) string { return "\n" + indent(spaces, text) },
		"quote":     func(value any) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
		"sha256sum": func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
		"trunc": func(most int, text string) string {
			if len(text) > most {
				return text[:most]
			}
			return text
		},
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"default": func(otherwise, value any) any {
			if value == nil || value == "" {
				return otherwise
			}
			return value
		},
		"dict": func(pairs ...any) map[string]any {
			made := map[string]any{}
			for at := 0; at < len(pairs); at += 2 {
				made[pairs[at].(string)] = pairs[at+1]
			}
			return made
		},
	})
	paths, err := filepath.Glob(filepath.Join(os.Args[1], "templates", "*"))
	check(err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(err)
		_, err = root.New(filepath.Base(path)).Parse(string(text))
		check(err)
	}
	about := map[string]any{
		"Chart":   given.Chart,
		"Values":  given.Values,
		"Release": map[string]any{"Name": os.Args[3], "Service": "Helm"},
	}
	for _, path := range paths {
		if filepath.Ext(path) == ".yaml" {
			fmt.Println("---")
			check(root.ExecuteTemplate(os.Stdout, filepath.Base(path), about))
		}
	}
}
