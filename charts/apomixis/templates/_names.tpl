{{- define "apomixis.name" -}}
{{- if contains "apomixis" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-apomixis" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}
{{- define "apomixis.operator" -}}{{ include "apomixis.name" . }}-operator{{- end }}
{{- define "apomixis.selector" -}}
app.kubernetes.io/name: apomixis-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}
{{- define "apomixis.labels" -}}
{{ include "apomixis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: apomixis
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "apomixis.guard" -}}{{ printf "%s-%s-guard" .Release.Namespace (include "apomixis.name" .) | trunc 63 | trimSuffix "-" }}{{- end }}
