package gatepass_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	gatepass "github.com/gatepass/gatepass/sdk/go"
	"github.com/gatepass/gatepass/sdk/go/internal/cases"
)

const publicURL = "https://files.example.net"

func signer(t *testing.T) *gatepass.Signer {
	t.Helper()
	made, err := gatepass.NewSigner("gp_test_key", publicURL)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func refuses(t *testing.T, code gatepass.Code, err error) {
	t.Helper()
	var signing *gatepass.SigningError
	if !errors.As(err, &signing) || signing.Code != code {
		t.Errorf("%v is not %s", err, code)
	}
}

func TestAnswersEveryCaseOfTheVectors(t *testing.T) {
	text, err := os.ReadFile("../../vectors/signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw struct{ Cases []json.RawMessage }
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, text := range raw.Cases {
		var kind struct{ Kind string }
		if err := json.Unmarshal(text, &kind); err != nil {
			t.Fatal(err)
		}
		if kind.Kind != "sign" && kind.Kind != "sign-refuse" && kind.Kind != "receipt" {
			continue
		}
		var one cases.Case
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		seen[one.Kind]++
		if found, expected := one.Answer(), one.Expected(); found != expected {
			t.Errorf("%s: %q is not %q", one.ID, found, expected)
		}
	}
	for _, kind := range []string{"sign", "sign-refuse", "receipt"} {
		if seen[kind] <= 20 {
			t.Errorf("%d cases of %s", seen[kind], kind)
		}
	}
}

func TestRefusesSettingsThatAreNoKeyAndNoHost(t *testing.T) {
	_, err := gatepass.NewSigner("", publicURL)
	refuses(t, gatepass.SettingsInvalid, err)
	for _, url := range []string{"", "files.example.net", "https://", publicURL + "/folder", publicURL + "?x=1", publicURL + "\n"} {
		_, err := gatepass.NewSigner("k", url)
		refuses(t, gatepass.SettingsInvalid, err)
	}
}

func TestRefusesOptionsThatGoLetsThrough(t *testing.T) {
	for _, options := range [][]gatepass.Option{
		{gatepass.ExpiresIn(0)},
		{gatepass.ExpiresIn(-time.Hour)},
		{gatepass.ExpiresIn(time.Millisecond)},
		{gatepass.ExpiresIn(time.Hour), gatepass.Expiry(time.Unix(4102444800, 0))},
		{gatepass.Expiry(time.Time{})},
		{gatepass.Type()},
		{gatepass.Type("")},
		{gatepass.Type("image/png,image/gif")},
		{gatepass.Ref("\xff")},
	} {
		_, err := signer(t).SignUpload("a.bin", options...)
		refuses(t, gatepass.PolicyMalformed, err)
	}
	_, err := signer(t).SignUpload("\xff.png")
	refuses(t, gatepass.PathInvalid, err)
}

func TestTheThreeKindsOfURLAnHourByDefault(t *testing.T) {
	calls := map[string]func(string, ...gatepass.Option) (string, error){
		"put": signer(t).SignUpload, "get": signer(t).SignDownload, "delete": signer(t).SignDelete,
	}
	for method, call := range calls {
		soon := time.Now().Unix() + 3600
		url, err := call("a b.png")
		form := regexp.MustCompile(`^https://files\.example\.net/a%20b\.png\?expiry=(\d+)&method=` + method + `&signature=[\w-]{43}$`)
		found := form.FindStringSubmatch(url)
		if err != nil || found == nil {
			t.Fatal(url, err)
		}
		if expiry, _ := strconv.ParseInt(found[1], 10, 64); expiry < soon || expiry > soon+5 {
			t.Error(url)
		}
	}
}

func TestTheKeyDoesNotPrint(t *testing.T) {
	made := signer(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb+" "+verb, made, struct{ S *gatepass.Signer }{made}); strings.Contains(text, "gp_test_key") {
			t.Error(text)
		}
	}
}
