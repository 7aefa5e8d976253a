module github.com/gatepass/gatepass/sdk/go

go 1.18
