// Command answer answers the cases on its standard input, one a line.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/gatepass/gatepass/sdk/go/internal/cases"
)

func main() {
	var all []cases.Case
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		log.Fatal(err)
	}
	for _, one := range all {
		fmt.Println(one.Answer())
	}
}
